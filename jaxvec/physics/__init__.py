"""Physics of links, processors and queues: pure functions of arrays in SI units, tested against outside sources.

Elementwise over any axes unless a docstring says otherwise: documented shapes are one world's, entities first, and
batch axes (worlds) may follow them. `*link` stands for such a shape, and arguments broadcast as NumPy's do.
Differentiable with finite gradients, also at zero and masked entries; a NaN is never hidden.
Use as `from jaxvec.physics import pathloss`.
"""
