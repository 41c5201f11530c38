"""What the tests of venue faults share: a bench, a witness of what was traded, and the cases."""
