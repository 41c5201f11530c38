"""The order-flow toolkit: the operators over closed seconds, in the order in which they are asked.

An operator may use what those before it have sent for the same second, and ask profiles for known
levels, which are then those after the second. Setups ask outcomes, which come after them, whether
enough is known: as of the second before.
"""

from processors.alerts.rules import AlertParams
from processors.operators.absorption import AbsorptionOperator
from processors.operators.alerts import AlertOperator
from processors.operators.bars import BarsOperator
from processors.operators.cascades import CascadeOperator
from processors.operators.context import ContextOperator
from processors.operators.cvd_structure import CvdStructureOperator
from processors.operators.divergence import DivergenceOperator
from processors.operators.exhaustion import ExhaustionOperator
from processors.operators.imbalance import ImbalanceOperator
from processors.operators.liquidation_levels import LiquidationLevelsOperator
from processors.operators.liquidations import LiquidationOperator
from processors.operators.outcomes import OutcomesOperator
from processors.operators.profiles import ProfilesOperator
from processors.operators.setups import SetupsOperator
from processors.operators.sweeps import SweepsOperator
from processors.operators.trapped import TrappedOperator
from processors.operators.zones import ZonesOperator
from processors.seconds.second import SecondOperator
from processors.units import AssetUnits


def toolkit(
    asset: str, units: AssetUnits, alerts: AlertParams | None = None
) -> list[SecondOperator]:
    """Return new operators for one asset.

    Args:
        asset: its name.
        units: its grids.
        alerts: what the user wants to be told; None is nothing.
    """
    profiles = ProfilesOperator(asset, units)
    outcomes = OutcomesOperator(asset, units)
    return [
        BarsOperator(asset, units),
        profiles,
        ImbalanceOperator(asset, units),
        LiquidationOperator(asset, units),
        CascadeOperator(asset, units, levels=profiles),
        ContextOperator(asset, units),
        LiquidationLevelsOperator(asset, units),
        TrappedOperator(asset, units),
        CvdStructureOperator(units),
        SweepsOperator(units),
        ZonesOperator(units),
        ExhaustionOperator(units),
        AbsorptionOperator(units, levels=profiles),
        DivergenceOperator(units),
        SetupsOperator(asset, units, profiles, outcomes),
        outcomes,
        AlertOperator(asset, units, alerts or AlertParams()),  # last: it looks at all of them
    ]
