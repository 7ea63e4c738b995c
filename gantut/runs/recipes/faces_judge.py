"""A network that names what it sees in a face: the judge of the other runs of faces."""

from matplotlib.figure import Figure as Picture

from gantut import plots
from gantut.runs.recipe import Figure, Networks, Part, Recipe
from gantut.runs.recipes import faces

CONFIG = {
    "steps": 3000,
    "batch": 64,
    "images": 40_000,
    "planes": [32, 32, 64, 96],
    "lr": 2e-3,
    "ema": 0.995,
    "precision": "float32",
    "seed": 0,
}
TEST = 2000
SAID = ("hair_colour", "hair", "glasses", "mouth")  # in the picture


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """How often it is right, factor by factor."""
    test = faces.real(200 if quick else TEST, "test")
    seen = made["judge"].found(test.floats())  # type: ignore[operator]
    right = {n: (seen[n] == test.factors[n]).float().mean().item() for n in faces.VALUES}
    if quick:
        return {"mean": sum(right.values()) / len(right)}
    return {**right, "mean": sum(right.values()) / len(right)}


def picture(made: Networks) -> Picture:
    """Faces it has not met, with what it says of each."""
    x = faces.real(TEST, "test").subset(slice(0, 8)).floats()
    seen = made["judge"].found(x)  # type: ignore[operator]
    figure, axes = plots.plt.subplots(1, 8, figsize=(7.8, 2.1))
    for k, ax in enumerate(axes):
        plots.image_grid(x[k : k + 1], ax=ax)
        said = {n: faces.NAMES[n][int(seen[n][k])] for n in SAID}
        words = [f"{said['hair_colour']} hair,", f"{said['hair']},"]
        words += [f"{said['glasses']} glasses,".replace("none", "no"), said["mouth"]]
        ax.set_xlabel("\n".join(words), fontsize=9)
    return figure


faces_judge = Recipe(
    title="A network names what it sees in a face: hair, eyes, glasses, mouth and eight more.",
    data=faces.DATA.format(n=CONFIG["images"]),
    parts={"judge": Part(CONFIG, faces.judge_of, faces.judging_of)},
    figures={
        **{
            name: Figure(
                f"the share of {TEST:,} new faces whose {name.replace('_', ' ')} it names"
                + ("; to say none every time gives as much" if name == "freckles" else "")
            )
            for name in faces.VALUES
        },
        "mean": Figure("the mean of these shares", least=0.9),
    },
    measure=measure,
    picture=picture,
    caption="Eight faces that it has not met, and four of the twelve things it says of each. "
    "Freckles are too fine for it at 64 pixels, and the colour of eyes often is.",
    alt="Eight drawn faces in a row with words under each, such as ginger, bun, round, smile.",
)
