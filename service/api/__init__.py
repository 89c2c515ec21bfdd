"""The routes: each declares its scope, its body, its answers, and does one thing."""
