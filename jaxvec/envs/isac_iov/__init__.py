"""The system `isac_iov`; see `jaxvec.envs.isac_iov.env`."""

from jaxvec.envs.isac_iov.env import IsacIov

__all__ = ["IsacIov"]
