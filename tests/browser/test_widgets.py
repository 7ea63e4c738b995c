"""The widgets under a reader's hands: mouse, touch and keys, on a page and from a file, and what
they say when they cannot run.
"""

from __future__ import annotations

import re
from pathlib import Path

import inline
import pytest

from gantut import games

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow
PAGES = {"latent": "play-latent", "gan": "play-gan", "games": "play-games"}
HEAVY = re.compile(r"tf\.min\.js|decoders\.js|densities\.js|gan\.js")


@pytest.fixture(scope="module")
def context(browser):
    found = browser.new_context(viewport={"width": 1000, "height": 900}, has_touch=True)
    found.set_default_timeout(60_000)
    yield found
    found.close()


@pytest.fixture
def visit(context, site):
    """Open a widget's page; complaints on the console or in the page fail the test."""
    opened, complaints = [], []

    def go(widget, *, begin=True, address=None):
        page = context.new_page()
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        opened.append(page)
        page.goto(address or f"{site}/book/{PAGES[widget]}.html", wait_until="load")
        page.locator(".play").scroll_into_view_if_needed()
        if begin:
            start(page)
        return page

    yield go
    for page in opened:
        page.close()
    assert complaints == []


def start(page):
    """Wait until the figure runs, which it does by itself on its own page."""
    page.wait_for_selector(".play[data-state=ready]")
    if page.locator(".play").get_attribute("data-play") == "gan":
        # It trains at once; the tests begin from rest, with all settings in sight.
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Reset").click()
        page.get_by_text("More settings").click()


def middle(page, selector):
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return lambda u, v: (box["x"] + u * box["width"], box["y"] + (1 - v) * box["height"])


def dataset(page, name):
    return page.locator(".play-inside").get_attribute(f"data-{name}")


def value(page, label):
    return float(page.get_by_label(label, exact=True).input_value())


PLANE = ".play-surface[tabindex]"


@pytest.mark.parametrize("widget", ["latent", "gan"])
def test_who_wants_rest_starts_a_figure_by_hand(browser, site, widget):
    """Nothing heavy is loaded before."""
    context = browser.new_context(reduced_motion="reduce")
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/book/{PAGES[widget]}.html", wait_until="networkidle")
    assert [url for url in asked if HEAVY.search(url)] == []
    page.get_by_role("button", name=re.compile("^Start \\(loads")).press("Enter")
    page.wait_for_selector(".play[data-state=ready]")
    assert [url for url in asked if HEAVY.search(url)] != []
    context.close()


def test_on_its_own_page_the_playground_is_alive_at_first_sight(context, site):
    page = context.new_page()
    page.goto(f"{site}/book/{PAGES['gan']}.html", wait_until="load")
    page.wait_for_function("+document.querySelector('.play-inside')?.dataset.steps >= 5")
    page.close()


def test_one_player_moves_alone(visit):
    page = visit("gan")
    page.get_by_role("button", name="Only D").click()
    said = page.locator(".play-words").inner_text()
    assert dataset(page, "steps") == "1" and " D " in said and " G " not in said
    page.get_by_role("button", name="Only G").click()
    assert dataset(page, "steps") == "2" and " G " in page.locator(".play-words").inner_text()
    # Players that move at once have no turns.
    page.get_by_label("optimizer", exact=True).select_option("extragradient")
    assert page.get_by_role("button", name="Only D").is_hidden()


def test_an_experiment_and_its_settings_have_an_address(visit, context, site):
    page = visit("gan")
    page.get_by_role("button", name="The leash").click()
    page.wait_for_function("+document.querySelector('.play-inside').dataset.steps >= 1")
    assert page.get_by_label("penalty", exact=True).input_value() == "gradient_penalty"
    assert page.get_by_label("steps of D for one of G", exact=True).input_value() == "5"
    address = page.url
    assert "loss=wasserstein" in address and "weight=10" in address
    other = context.new_page()
    other.goto(address, wait_until="load")
    other.wait_for_selector(".play[data-state=ready]")
    assert other.get_by_label("loss", exact=True).input_value() == "wasserstein"
    other.close()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="It learns the ring").click()
    page.get_by_role("button", name="Pause").click()
    assert "#" not in page.url


def test_the_inside_of_the_discriminator_is_shown(visit):
    page = visit("gan")
    page.get_by_text("Inside the discriminator").click()
    page.get_by_role("button", name="One step").click()
    page.wait_for_timeout(300)
    inks = page.evaluate(INK)
    assert len(inks) == 4 and inks[-1][0] > 1000


def filled(page):
    """Wait until the explorer's square is drawn."""
    page.wait_for_function("document.querySelector('.play-inside').dataset.filled === '81'")


def test_the_explorers_point_follows_mouse_touch_and_keys(visit):
    page = visit("latent")
    page.get_by_role("button", name="Stop").click()
    place = middle(page, PLANE)

    def at():
        return [float(v) for v in dataset(page, "at").split()]

    def surface(u, v):
        """Where the square's place (from the left, from above) is on the surface."""
        return place((0.5 + 8 * u) / 9, 1 - (0.5 + 8 * v) / 9)

    page.mouse.move(*surface(0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*surface(0.75, 0.25), steps=5)
    page.mouse.up()
    z = at()
    assert z == pytest.approx([0.75, 0.25], abs=0.02)
    page.locator(PLANE).press("ArrowLeft")
    page.locator(PLANE).press("Shift+ArrowUp")
    assert at() == pytest.approx([z[0] - 0.025, z[1] - 0.125], abs=0.002)
    page.touchscreen.tap(*surface(0.25, 1.0))
    assert at() == pytest.approx([0.25, 1.0], abs=0.02)
    page.mouse.click(*place(0.97, 0.97))
    assert at() == [1, 0]
    page.wait_for_function(
        "document.querySelector('.play-words').textContent === 'The mixture here: 100\\u00a0% 7.'"
    )
    page.get_by_role("button", name="Walk").click()
    page.wait_for_function("document.querySelector('.play-inside').dataset.at !== '1.000 0.000'")
    page.get_by_role("button", name="Stop").click()


def test_the_explorers_corners_are_what_one_chooses(visit):
    """Each choice draws other pictures, and the right one where it is a corner."""
    page = visit("latent")
    page.get_by_role("button", name="Stop").click()
    place = middle(page, PLANE)
    seen = []

    def look():
        filled(page)
        page.wait_for_timeout(100)
        words = "document.querySelector('.play-words').textContent"
        seen.append((page.evaluate(INK)[0], page.evaluate(words)))

    look()
    page.get_by_label("digit left above").select_option("8")
    look()
    page.get_by_role("button", name="Other hands").click()
    look()
    page.get_by_label("the square shows").select_option("gan")
    look()
    page.get_by_label("its corners are").select_option("prior")
    page.get_by_label("the square shows").select_option("vae")
    look()
    assert len({str(ink) for ink, _ in seen}) == len(seen)
    page.mouse.click(*place(0.03, 0.97))
    page.wait_for_function(
        "document.querySelector('.play-words').textContent.startsWith('The GAN is asked for 100\\u00a0% 8.')"
    )


INK = """() => [...document.querySelectorAll("canvas.play-surface")].map((surface) => {
    const { data } = surface.getContext("2d").getImageData(0, 0, surface.width, surface.height);
    let [sum, count] = [0, 0];
    for (let k = 0; k < data.length; k += 4) if (data[k + 3] > 128) { sum += data[k]; count += 1; }
    return [count, sum / Math.max(1, count)];
})"""


def test_the_explorers_pictures_follow_the_theme(visit):
    """Dark ink on a light page, light ink on a dark one; the pictures are the second and third
    surface.
    """
    page = visit("latent")
    page.get_by_role("button", name="Stop").click()
    filled(page)
    for theme, wanted in (("light", "level < 60"), ("dark", "level > 200")):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        # They are drawn anew in the next frame, whenever that is.
        page.wait_for_function(
            f"({INK})().slice(1).every(([count, level]) => count > 100 && {wanted})"
        )


def test_the_playground_trains_pauses_steps_and_resets(visit):
    page = visit("gan")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function("+document.querySelector('.play-inside').dataset.steps >= 5")
    page.get_by_role("button", name="Pause").click()
    steps = int(dataset(page, "steps"))
    page.wait_for_timeout(200)
    assert int(dataset(page, "steps")) == steps
    page.get_by_role("button", name="One step").press("Enter")
    assert int(dataset(page, "steps")) == steps + 1
    page.get_by_role("button", name="Reset").click()
    assert dataset(page, "steps") == "0"


def test_the_same_seed_trains_the_same_network(visit):
    page = visit("gan")
    said = []
    for seed in (0, 0, 3):
        page.get_by_label("seed", exact=True).fill(str(seed))
        page.get_by_role("button", name="Reset").click()
        for _ in range(3):
            page.get_by_role("button", name="One step").click()
        said.append(page.locator(".play-words").inner_text())
    assert said[0] == said[1] != said[2]
    assert "Step 3." in said[0]


def test_one_draws_data_with_mouse_touch_and_keys(visit):
    page = visit("gan")
    page.get_by_label("data", exact=True).select_option("drawn")
    page.get_by_role("button", name="One step").click()
    assert "no data yet" in page.locator(".play-words").first.inner_text()
    page.locator(PLANE).press("ArrowRight")
    page.locator(PLANE).press(" ")
    page.get_by_role("button", name="One step").click()
    assert dataset(page, "steps") == "1"
    place = middle(page, PLANE)
    page.mouse.move(*place(0.3, 0.3))
    page.mouse.down()
    page.mouse.move(*place(0.7, 0.7), steps=6)
    page.mouse.up()
    page.touchscreen.tap(*place(0.8, 0.2))
    page.get_by_role("button", name="One step").click()
    assert dataset(page, "steps") == "2"
    page.get_by_role("button", name="Clear the drawing").click()
    assert dataset(page, "steps") == "0"


def test_a_training_that_blows_up_says_so(visit):
    page = visit("gan")
    page.get_by_label("loss", exact=True).select_option("f_pearson")
    page.get_by_label("penalty", exact=True).select_option("none")
    page.get_by_label("optimizer", exact=True).select_option("sgd")
    page.get_by_label("learning rate", exact=True).press("End")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function(
        "document.querySelector('.play-words').textContent.includes('Training stopped')"
    )
    assert page.get_by_role("button", name="Start", exact=True).is_visible()


def test_the_small_game_shows_the_librarys_spectral_radius(visit):
    page = visit("games")
    for loss, method, gamma in (
        ("minimax", "simultaneous", 0.0),
        ("minimax", "optimistic", 0.3),
        ("wasserstein", "competitive", 0.0),
    ):
        page.get_by_label("loss", exact=True).select_option(loss)
        page.get_by_label("method", exact=True).select_option(method)
        page.get_by_label("γ of R1", exact=True).fill(str(gamma))
        wanted = games.contraction(games.dirac_gan(loss, gamma=gamma), method, 0.2)
        assert float(dataset(page, "radius")) == pytest.approx(wanted, abs=1e-10)
        assert f"{wanted:.5f}" in page.locator(".play-words").inner_text()
    page.get_by_label("loss", exact=True).select_option("non_saturating")
    assert "zero-sum" in page.locator(".play-words").inner_text()


def test_the_small_games_start_follows_mouse_touch_and_keys(visit):
    page = visit("games")
    place = middle(page, PLANE)
    page.mouse.move(*place(0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*place(0.25, 0.75), steps=4)
    page.mouse.up()
    assert value(page, "generator x") == pytest.approx(-1, abs=0.03)
    assert value(page, "discriminator y") == pytest.approx(1, abs=0.03)
    page.locator(PLANE).press("Shift+ArrowRight")
    assert value(page, "generator x") == pytest.approx(-0.75, abs=0.03)
    page.touchscreen.tap(*place(0.75, 0.5))
    assert value(page, "generator x") == pytest.approx(1, abs=0.03)
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").click()


@pytest.mark.parametrize("widget", list(PAGES))
def test_the_widgets_work_from_a_file(visit, widget):
    html = (
        Path(__file__).resolve().parents[2] / "_build" / "html" / "book" / f"{PAGES[widget]}.html"
    )
    page = visit(widget, address=html.as_uri())
    assert page.locator(".play-surface").count() >= 2


@pytest.mark.parametrize("widget", list(PAGES))
def test_without_javascript_the_page_says_what_is_missing(browser, site, widget):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/book/{PAGES[widget]}.html")
    assert "needs JavaScript" in page.locator(".play").inner_text()
    context.close()


def test_a_file_that_is_missing_is_named(context, site):
    page = context.new_page()
    page.route(re.compile(r"decoders\.js"), lambda route: route.abort())
    page.goto(f"{site}/book/{PAGES['latent']}.html", wait_until="load")
    page.locator(".play").scroll_into_view_if_needed()
    page.wait_for_selector(".play[data-state=failed]")
    assert "decoders.js could not be loaded" in page.get_by_role("alert").inner_text()
    page.close()


@pytest.mark.parametrize("widget", list(PAGES))
def test_a_running_widget_is_accessible_and_fits_a_phone(visit, widget, request):
    page = visit(widget)
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 361
    page.evaluate(request.getfixturevalue("axe"))
    for theme in ("light", "dark"):
        page.evaluate(
            f"document.documentElement.dataset.theme = document.documentElement.dataset.mode = '{theme}'"
        )
        found = page.evaluate("axe.run('.play', { resultTypes: ['violations'], preload: false })")[
            "violations"
        ]
        faults = [
            f"{v['id']}: {v['nodes'][0]['html'][:200]}"
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert faults == [], theme
    page.set_viewport_size({"width": 1000, "height": 900})


@pytest.fixture(scope="module")
def chapter(tmp_path_factory, served):
    """The address of a page in notebooks/ with nothing on it but the places of all widgets."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "notebooks").mkdir()
    (folder / "_static").symlink_to(ROOT / "book" / "_static")
    places = "".join(f'<div class="play" data-play="{name}"></div>' for name in inline.WIDGETS)
    (folder / "notebooks" / "x.html").write_text(
        '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>x</title>'
        '<link rel="stylesheet" href="../_static/gantut.css">'
        '<script defer src="../_static/play/play.js?v=1"></script><div style="height: 3000px">x</div>'
        f"<article>{inline.PLACE.sub(inline.widget, places)}</article>",
        encoding="utf-8",
    )
    return f"{served(folder)}/notebooks/x.html"


def test_a_chapters_widgets_show_a_drawing_and_start_when_asked(context, chapter):
    page, asked, complaints = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(chapter, wait_until="networkidle")
    assert sorted(re.findall(r"[\w.]+(?=\?|$)", url)[0] for url in asked) == [
        *("gantut.css", "play.css", "play.js", "x.html")
    ]
    places = {name: page.locator(f".play[data-play={name}]") for name in inline.WIDGETS}
    for place in places.values():
        assert place.locator(".play-poster svg").is_visible()
        assert "JavaScript" not in place.inner_text()
    for name, place in places.items():
        if name != "games":
            place.get_by_role("button", name=re.compile("^Start \\(loads")).press("Enter")
        else:
            place.scroll_into_view_if_needed()
        page.wait_for_selector(f".play[data-play={name}][data-state=ready]")
        assert place.locator(".play-poster").is_hidden()
        # The plane has a fourth: inside the discriminator.
        assert place.locator(".play-surface").count() == (4 if name == "gan" else 3)
    page.wait_for_function("+document.querySelector('.play-inside').dataset.steps >= 2")
    page.emulate_media(media="print")
    for place in places.values():
        assert place.locator(".play-poster svg").is_visible()
        assert place.locator(".play-inside").is_hidden()
    assert complaints == []
    page.close()


def test_a_swipe_over_the_plane_changes_nothing(visit):
    """Only one's own drawing is drawn on, and a finger on its way scrolls the page."""
    page = visit("gan")
    page.get_by_role("button", name="One step").click()
    page.touchscreen.tap(*middle(page, PLANE)(0.5, 0.5))
    assert dataset(page, "steps") == "1"
    assert page.get_by_label("data", exact=True).input_value() == "ring"
    page.locator(PLANE).evaluate("(plane) => plane.blur()")
    assert page.locator(PLANE).evaluate("(plane) => plane.style.touchAction") == "pan-y"


@pytest.mark.parametrize("widget", list(PAGES))
def test_a_widget_fills_a_projectors_picture_and_leads_back(visit, site, widget):
    page = visit(widget, address=f"{site}/book/{PAGES[widget]}.html?projector", begin=False)
    page.wait_for_selector(".play[data-state=ready].play-large")
    page.set_viewport_size({"width": 1280, "height": 720})
    place = page.locator(".play")
    box = place.bounding_box()
    assert box == {"x": 0, "y": 0, "width": 1280, "height": 720}
    sizes = """() => [...document.querySelectorAll(".play-inside :is(label, button, p, output)")]
        .filter((node) => node.checkVisibility() && node.textContent.trim())
        .map((node) => parseFloat(getComputedStyle(node).fontSize))"""
    large = page.evaluate(sizes)
    assert min(large) >= 17 and place.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    page.keyboard.press("Escape")
    assert min(page.evaluate(sizes)) < min(large)
    assert page.locator(".play-large").count() == 0
    page.get_by_role("button", name="Large, for a projector").click()
    page.get_by_role("button", name="Back to the page").click()
    assert page.locator(".play-large").count() == 0
    page.set_viewport_size({"width": 1000, "height": 900})
