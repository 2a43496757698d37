"""Language models as a part of policies: backends, a strict parser, a cache, and the chain from a question to an answer."""
