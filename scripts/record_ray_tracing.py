"""Ray traces a street canyon with Sionna RT, and converts paths of it with DeepMIMO, for the tests of jaxvec.traces.ray_tracing.

    python -m venv venv && venv/bin/pip install sionna-rt DeepMIMO
    venv/bin/python scripts/record_ray_tracing.py tests/traces

Nothing is downloaded: the scene comes with Sionna RT. It needs LLVM 16 or later (`DRJIT_LIBLLVM_PATH` says where its library is).
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import sionna.rt as rt

SITES_M = np.array([[-30.0, 0.0, 10.0], [30.0, 2.0, 10.0]])


def main(folder: Path) -> None:
    """Writes sionna_radio_map.npz and deepmimo_dataset.npz."""
    scene = rt.load_scene(rt.scene.simple_street_canyon, merge_shapes=False)
    scene.frequency = 3.5e9
    isotropic = {"vertical_spacing": 0.5, "horizontal_spacing": 0.5, "pattern": "iso", "polarization": "V"}
    scene.tx_array = scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, **isotropic)
    np.savez_compressed(folder / "sionna_radio_map.npz", **radio_map(scene))
    np.savez_compressed(folder / "deepmimo_dataset.npz", **dataset(scene))


def radio_map(scene: rt.Scene) -> dict[str, np.ndarray]:
    """Gains of all paths and of direct ones over the street."""
    for s, at_m in enumerate(SITES_M):
        scene.add(rt.Transmitter(f"site_{s}", position=at_m.tolist()))
    plane = {"center": [0, 0, 1.5], "orientation": [0, 0, 0], "size": [140, 80], "cell_size": [10, 10]}
    maps = {
        name: rt.RadioMapSolver()(scene, max_depth=depth, samples_per_tx=200_000, **plane)
        for name, depth in {"path_gain": 3, "direct_gain": 0}.items()
    }
    arrays = {name: np.array(x.path_gain, np.float32) for name, x in maps.items()}
    return arrays | {"cell_centers": np.array(maps["path_gain"].cell_centers, np.float32), "site_m": SITES_M}


def dataset(scene: rt.Scene) -> dict[str, np.ndarray]:
    """What DeepMIMO makes of paths to a grid of receivers, and its own path loss."""
    import deepmimo
    from deepmimo.exporters import sionna_exporter

    for n, (y, x) in enumerate(np.ndindex(7, 7)):
        scene.add(rt.Receiver(f"rx_{n}", position=[20.0 * x - 60, 10.0 * y - 30, 1.5]))
    found, options = [], {"max_depth": 2, "samples_per_src": 100_000, "refraction": False}
    for at_m in SITES_M:
        for name in list(scene.transmitters):
            scene.remove(name)
        scene.add(rt.Transmitter("tx", position=at_m.tolist()))
        found.append(rt.PathSolver()(scene, **options))
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)  # where DeepMIMO keeps its scenarios
        sionna_exporter.sionna_exporter(scene, found, options, "paths")
        of_sites = list(
            deepmimo.load(deepmimo.convert("paths", overwrite=True, scenario_name="street", vis_scene=False))
        )
        names = ("rx_pos", "tx_pos", "power", "los")
        arrays = {name: np.stack([np.asarray(one[name]) for one in of_sites]) for name in names}
        arrays["pathloss_db"] = np.stack([one.compute_pathloss(coherent=False) for one in of_sites])
        os.chdir("/")
    return arrays


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
