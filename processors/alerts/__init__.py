"""What the alert operator is made of: rules, what they look at, and when an alert may go."""
