import pytest
from gantut.__main__ import main
SMALL = "--data digits --latent-dim 4 --width 16 --device cpu --picture-every 0 --batch 16".split()
@pytest.mark.parametrize("model", ["gan","vae","vaegan","aae","bigan","vqvae"])
def test_all(model, tmp_path, capsys):
    f=str(tmp_path/"run")
    assert main(["train",model,"--out",f,"--steps","2",*SMALL])==0
    assert main(["train","--out",f,"--steps","3","--resume"])==0
    assert main(["sample",f,"-n","9"])==0
    assert main(["export",f])==0
    print(capsys.readouterr())
