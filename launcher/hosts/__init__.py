"""The same plan on several machines: `HOSTS=` runs this launcher on each of them over ssh."""
