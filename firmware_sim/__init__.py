"""The simulated airbag controller: it reads exported files and has never heard of training."""
