"""What a run would do: its profile, its cases, its competitors and how long that takes. Starts nothing."""
