"""One file per published system; `jaxvec.make(id)` finds them."""
