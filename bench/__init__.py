"""Side-by-side measurements; `python -m bench` runs them, docs/speed.md tells what each one means."""
