"""What holds for every test: none depends on how fast a shared machine is at the moment."""

import hypothesis

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
