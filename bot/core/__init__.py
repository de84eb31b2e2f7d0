"""Plain data and rules; standard library only: no await, no clock, no dice, no environment."""
