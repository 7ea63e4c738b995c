"""Until every trainer has ``.model`` and its checkpoint ``shape`` and ``classes``: both, from here."""

import pytest

from gantut import training


@pytest.fixture(autouse=True)
def trainers_of_tomorrow(monkeypatch):
    def averaged(name):
        return property(lambda t: getattr(t, name) if t.ema is None else t.ema.network)

    old = training.Trainer.state_dict
    if not hasattr(training.GANTrainer, "model"):
        monkeypatch.setattr(training.GANTrainer, "model", averaged("G"), raising=False)
        monkeypatch.setattr(training.VQVAETrainer, "model", averaged("vqvae"), raising=False)
        sample, model = training.BiGANTrainer.sample, training.BiGANTrainer.model.fget
        first = property(lambda t: (t.generators if t.ema is None else t.ema.network)[0])
        monkeypatch.setattr(training.BiGANTrainer, "model", first)
        assert sample and model

        def new_sample(self, n, labels=None, *, seed=None):
            from gantut.training.gan import generate

            return generate(self, self.model, n, labels, seed)

        monkeypatch.setattr(training.BiGANTrainer, "sample", new_sample)

        def state_dict(self):
            model = self.model
            return old(self) | {"shape": tuple(model.shape), "classes": model.classes}

        monkeypatch.setattr(training.Trainer, "state_dict", state_dict)
