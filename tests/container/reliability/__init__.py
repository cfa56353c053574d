"""The long forms of scenarios: `make reliability` runs them."""
