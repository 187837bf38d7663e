"""Controls, charts, and containers that several pages share."""
