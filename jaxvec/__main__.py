"""`python -m jaxvec`, for where the command `jaxvec` is not on the path."""

from jaxvec.cli import main

if __name__ == "__main__":
    main()
