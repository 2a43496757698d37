"""The contracts that everything else stands on; imports nothing else of jaxvec."""
