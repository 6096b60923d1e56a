"""The parts of the page that are HTML of its own: status, players side by side, figures."""

import html
from urllib.parse import quote

from llve_jax.demo.job import Result
from llve_jax.demo.worker import Progress, Waiting

# Two players that stay in step: whatever is done to one is done to the other. Events of media do
# not rise, but can be caught on their way down.
HEAD = """
<script>
(() => {
  const other = (video) => [...video.closest(".llve-players").querySelectorAll("video")]
    .find((each) => each !== video);
  const follow = (name, act) => document.addEventListener(name, (event) => {
    const video = event.target;
    if (!(video instanceof HTMLVideoElement) || !video.closest(".llve-players")) return;
    const twin = other(video);
    if (twin) act(video, twin);
  }, true);
  const near = (video, twin, seconds) => {
    if (Math.abs(video.currentTime - twin.currentTime) > seconds)
      twin.currentTime = video.currentTime;
  };
  follow("play", (video, twin) => { near(video, twin, 0.02); twin.play(); });
  follow("pause", (video, twin) => { twin.pause(); near(video, twin, 0.02); });
  follow("seeked", (video, twin) => near(video, twin, 0.02));
  follow("ratechange", (video, twin) => {
    if (twin.playbackRate !== video.playbackRate) twin.playbackRate = video.playbackRate;
  });
  follow("timeupdate", (video, twin) => {
    if (!video.paused && video.dataset.side === "after") near(video, twin, 0.15);
  });
})();
</script>
"""

CSS = """
.llve-players, .llve-plots { display: grid; gap: 8px; }
.llve-players, .llve-plots { grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); }
.llve-players video { width: 100%; background: #000; }
.llve-players figure, .llve-plots figure { margin: 0; }
.llve-error { color: #8a1c1c; background: #fdecec; padding: 8px; border-radius: 4px; }
.llve-figures td, .llve-figures th { padding: 2px 10px 2px 0; text-align: left; }
"""


def status(text: str) -> str:
  """A line that is read out as it changes."""
  return f'<p role="status" aria-live="polite">{html.escape(text)}</p>'


def error(text: str) -> str:
  """A sentence on what went wrong."""
  return f'<p role="alert" class="llve-error">{html.escape(text)}</p>'


def waiting(now: Waiting) -> str:
  """Who comes first, and that one need not stay."""
  others = "one file comes" if now.before == 1 else f"{now.before} files come"
  return status(f"Waiting: {others} first. Cancel leaves the line.")


def progress(so_far: Progress) -> str:
  """How far, how fast and how long it will take."""
  if not so_far.done:
    return status(f"Reading the file and getting the network ready ({so_far.seconds:.0f} s) ...")
  rate = so_far.done / max(so_far.computing, 1e-6)
  text = f"Frame {so_far.done}"
  if so_far.total:
    text += f" of {so_far.total}"
  text += f", {rate:.1f} frames/s"
  if so_far.total:
    text += f", {max(0, so_far.total - so_far.done) / rate:.0f} s left"
  return status(text)


def players(result: Result) -> str:
  """Input and result of a video beside each other, in step."""
  sides = [
    f'<figure><video controls playsinline preload="auto" data-side="{side}" '
    f'{"muted " if side == "before" else ""}aria-label="{side}" src="{address(path)}"></video>'
    f"<figcaption>{side}</figcaption></figure>"
    for side, path in (("before", result.before), ("after", result.after))
  ]
  return f'<div class="llve-players">{"".join(sides)}</div>'


def address(path: object) -> str:
  """Where the page gets a file of a result."""
  return f"gradio_api/file={quote(str(path))}"


def finished(result: Result) -> str:
  """What was found, chosen and done, in lines and a table."""
  width, height = result.size
  frames = "1 picture" if result.kind == "picture" else f"{result.frames} frames"
  rate = result.frames / max(result.seconds, 1e-6)
  line = f"Done: {frames} of {width} x {height} in {result.seconds:.1f} s ({rate:.1f} frames/s)."
  said = "".join(f"<li>{html.escape(each)}</li>" for each in result.said)
  return status(line) + (f"<ul>{said}</ul>" if said else "") + _table(result)


def plots(result: Result) -> str:
  """Brightness over time and histogram."""
  curves = result.curves
  return f'<div class="llve-plots">{curves.over_time()}{curves.histogram()}</div>'


def _table(result: Result) -> str:
  rows = [("brightness (0 to 255)", "brightness", "{:.0f}", 1.0)]
  rows.append(("pixels that are white", "clipped", "{:.2f} %", 100.0))
  if result.kind == "video":
    rows.append(("flicker, change from frame to frame", "flicker", "{:.2f} %", 100.0))
  cells = [
    f'<tr><th scope="row">{name}</th>'
    + "".join(
      f"<td>{form.format(factor * result.numbers[key][side])}</td>" for side in ("before", "after")
    )
    + "</tr>"
    for name, key, form, factor in rows
    if key in result.numbers
  ]
  head = '<tr><td></td><th scope="col">before</th><th scope="col">after</th></tr>'
  return f'<table class="llve-figures">{head}{"".join(cells)}</table>'
