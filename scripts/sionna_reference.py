"""Computes path losses and LOS probabilities with Sionna, for the tests of jaxvec.physics.pathloss.

UMa and UMi-Street Canyon of TR 38.901, without shadowing and outdoors, over distances on the ground and carriers.
Needs Sionna 2: pip install sionna-no-rt.
"""

import argparse
import datetime
import sys
from pathlib import Path

HEIGHT_BS_M = {"uma": 25.0, "umi": 10.0}
HEIGHT_UT_M = 1.5
CARRIERS_GHZ = (2.0, 6.0, 28.0)
DISTANCES_2D_M = (
    10, 14, 18, 19, 25, 35, 50, 70, 100, 150, 200, 300, 450, 700, 1000, 1500, 2200, 3200, 4400, 5000
)  # fmt: skip
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "tests" / "physics" / "sionna_uma.csv"


def table() -> list[str]:
    """One line per scenario, carrier and distance, in double precision.

    Raises:
        ImportError: Sionna is not installed.
    """
    import torch
    from sionna.phy.channel.tr38901 import PanelArray, UMaScenario, UMiScenario

    lines = []
    for name, kind in (("uma", UMaScenario), ("umi", UMiScenario)):
        bs_loc = torch.tensor([[[0.0, 0.0, HEIGHT_BS_M[name]]]], dtype=torch.float64)
        ut_loc = torch.tensor([[[d, 0.0, HEIGHT_UT_M] for d in DISTANCES_2D_M]], dtype=torch.float64)
        for carrier_ghz in CARRIERS_GHZ:
            common = {"carrier_frequency": carrier_ghz * 1e9, "precision": "double", "device": "cpu"}
            antenna = PanelArray(
                num_rows_per_panel=1,
                num_cols_per_panel=1,
                polarization="single",
                polarization_type="V",
                antenna_pattern="omni",
                **common,
            )
            scenario = kind(o2i_model="low", ut_array=antenna, bs_array=antenna, direction="uplink", **common)
            losses_db = []
            for los in (True, False):
                scenario.set_topology(
                    ut_loc=ut_loc,
                    bs_loc=bs_loc,
                    ut_orientations=torch.zeros_like(ut_loc),
                    bs_orientations=torch.zeros_like(bs_loc),
                    ut_velocities=torch.zeros_like(ut_loc),
                    in_state=torch.zeros(ut_loc.shape[:2], dtype=torch.bool),
                    los=los,
                )
                losses_db.append(scenario.basic_pathloss.flatten().tolist())
            probability = scenario.los_probability.flatten().tolist()
            for row in zip(DISTANCES_2D_M, *losses_db, probability, strict=True):
                distance_m, los_db, nlos_db, p_los = row
                lines.append(f"{name},{carrier_ghz:g},{distance_m},{los_db:.6f},{nlos_db:.6f},{p_los:.8f}")
    return lines


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="CSV file to write (that of the tests)")
    args = parser.parse_args(argv)
    try:
        import sionna

        lines = table()
        header = [
            f"# Made by scripts/sionna_reference.py with Sionna {sionna.__version__} on {datetime.date.today()}:",
            "# basic path loss of TR 38.901 without shadowing (outdoor terminals, double precision), and LOS probability.",
            f"# Base station at {HEIGHT_BS_M['uma']:g} m (uma) or {HEIGHT_BS_M['umi']:g} m (umi), "
            f"terminal at {HEIGHT_UT_M:g} m.",
            "scenario,carrier_ghz,distance_2d_m,los_db,nlos_db,los_probability",
        ]
        args.out.write_text("\n".join([*header, *lines]) + "\n", encoding="utf-8")
    except ImportError as error:
        print(f"error: {error}; try: pip install sionna-no-rt", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {len(lines)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
