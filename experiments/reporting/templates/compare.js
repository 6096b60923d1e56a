(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const key = `llve_jax.compare.${data.study}`;
  const find = (id) => document.getElementById(id);
  const names = data.methods.map(
    (text) => new TextDecoder().decode(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))));
  const choices = ["left", "same", "right"];
  const words = {left: "left", same: "no difference", right: "right"};

  // ---- what is kept: order and sides as drawn, votes, where the person is ----
  function fresh() {
    const order = data.pairs.map((_, index) => ({pair: index, swap: Math.random() < 0.5}));
    for (let index = order.length - 1; index > 0; index--) {
      const other = Math.floor(Math.random() * (index + 1));
      [order[index], order[other]] = [order[other], order[index]];
    }
    const voter = Math.random().toString(16).slice(2, 12).padEnd(10, "0");
    return {voter, order, at: -1, votes: {}, revealed: false};  // at -1: before the first
  }
  function load() {
    try {
      return JSON.parse(localStorage.getItem(key)) || fresh();
    } catch {
      return fresh();
    }
  }
  function save() {
    try {
      localStorage.setItem(key, JSON.stringify(state));
    } catch {
      find("unsaved").hidden = false;
    }
  }
  let state = load();

  // ---- the two results ----
  const canvases = [find("left"), find("right")];
  let shown = [[], []], frame = 0, direction = 1, playing = false, last = 0;
  function draw() {
    canvases.forEach((canvas, side) => {
      const image = shown[side][frame];
      if (!image || !image.naturalWidth) return;
      if (canvas.width !== image.naturalWidth) canvas.width = image.naturalWidth;
      if (canvas.height !== image.naturalHeight) canvas.height = image.naturalHeight;
      canvas.getContext("2d").drawImage(image, 0, 0);
    });
    find("frame").value = frame;
  }
  function tick(now) {
    const clip = state.at >= 0 && state.at < state.order.length ? current().clip : null;
    if (playing && clip && now - last >= 1000 / clip.fps && shown[0].length > 1) {
      last = now;
      // Back and forth: a jump from the last frame to the first would look like flicker.
      if (frame + direction < 0 || frame + direction >= shown[0].length) direction = -direction;
      frame += direction;
      draw();
    }
    requestAnimationFrame(tick);
  }
  function play(on) {
    playing = on;
    find("play").textContent = on ? "Pause" : "Play";
  }

  // ---- one pair ----
  function current() {
    const {pair, swap} = state.order[state.at];
    const about = data.pairs[pair];
    const sides = swap ? [about.methods[1], about.methods[0]] : [about.methods[0], about.methods[1]];
    return {id: about.id, clip: data.clips[about.clip], sides};
  }
  function asked() {
    const several = current().clip.frames[0].length > 1;
    return data.criteria.filter((name) => several || name !== "steadiness");
  }
  function mine() {
    return state.votes[current().id] || {};
  }
  let active = 0;
  function vote(criterion, choice) {
    state.votes[current().id] = {...mine(), [criterion]: {choice, time: new Date().toISOString()}};
    save();
    const open = asked().findIndex((name) => !mine()[name]);
    if (open >= 0) active = open;
    mark();
  }
  function mark() {
    for (const button of document.querySelectorAll("#questions button")) {
      const chosen = mine()[button.dataset.criterion];
      button.setAttribute("aria-pressed", String(Boolean(chosen) && chosen.choice === button.value));
    }
    document.querySelectorAll(".question").forEach((row, index) => {
      row.classList.toggle("active", index === active);
    });
    find("next").disabled = asked().some((name) => !mine()[name]);
  }
  function show() {
    const before = state.at < 0, after = state.at >= state.order.length;
    find("intro").hidden = !before;
    find("pair").hidden = before || after;
    find("end").hidden = !after;
    if (after) end();
    if (before || after) return;
    const {clip, sides} = current();
    active = Math.max(0, asked().findIndex((name) => !mine()[name]));
    find("progress").value = state.at;
    find("count").textContent = `Pair ${state.at + 1} of ${state.order.length}`;
    shown = sides.map((method) => clip.frames[method].map((uri) => {
      const image = new Image();
      image.onload = draw;
      image.src = uri;
      return image;
    }));
    frame = 0;
    direction = 1;
    find("frame").max = shown[0].length - 1;
    find("player").hidden = shown[0].length < 2;
    find("questions").replaceChildren(...asked().map(question));
    find("previous").disabled = state.at === 0;
    mark();
    draw();
  }
  function question(criterion) {
    const row = document.createElement("div");
    row.className = "question";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", `Better ${criterion}`);
    const label = document.createElement("span");
    label.textContent = `Better ${criterion}?`;
    row.append(label, ...choices.map((choice) => {
      const button = document.createElement("button");
      button.type = "button";
      button.value = choice;
      button.dataset.criterion = criterion;
      button.textContent = words[choice];
      button.addEventListener("click", () => vote(criterion, choice));
      return button;
    }));
    return row;
  }
  function go(step) {
    if (step > 0 && state.at >= 0 && find("next").disabled) return;
    state.at = Math.min(Math.max(state.at + step, 0), state.order.length);
    save();
    show();
    window.scrollTo(0, 0);
  }

  // ---- the end: names, win rates, export ----
  function rows() {
    return state.order.flatMap(({pair, swap}) => {
      const about = data.pairs[pair];
      const [left, right] = swap ? [...about.methods].reverse() : about.methods;
      return Object.entries(state.votes[about.id] || {}).map(([criterion, {choice, time}]) => ({
        study: data.study, voter: state.voter, pair: about.id, clip: data.clips[about.clip].name,
        criterion, choice, left: names[left], right: names[right], time,
      }));
    });
  }
  function reveal() {
    state.revealed = true;  // from here on, no vote is blind, so there is no way back
    save();
    show();
  }
  function end() {
    find("back").hidden = find("reveal").hidden = state.revealed;
    find("told").hidden = !state.revealed;
    if (!state.revealed) return;
    const percent = (share) => `${(100 * share).toFixed(0)}%`;
    const lines = tally(rows(), data.criteria).map((row) => {
      const decided = row.wins + row.losses, bounds = wilson(row.wins, decided, data.z);
      const cells = [row.criterion, row.method, row.other, row.wins, row.losses, row.same,
        decided ? percent(row.wins / decided) : "–",
        bounds ? `${percent(bounds[0])} to ${percent(bounds[1])}` : "–"];
      const line = document.createElement("tr");
      line.append(...cells.map((text, index) => {
        const cell = document.createElement(index ? "td" : "th");
        if (!index) cell.scope = "row";
        if (index < 3) cell.className = "left";
        cell.textContent = text;
        return cell;
      }));
      return line;
    });
    find("rates").replaceChildren(...lines);
  }
  function download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv(rows(), data.columns)], {type: "text/csv"}));
    link.download = `votes-${data.study}-${state.voter}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    reveal();  // the file has the names
  }

  find("start").addEventListener("click", () => go(1));
  find("next").addEventListener("click", () => go(1));
  find("previous").addEventListener("click", () => go(-1));
  find("back").addEventListener("click", () => go(-1));
  find("export").addEventListener("click", download);
  find("reveal").addEventListener("click", reveal);
  find("stop").addEventListener("click", () => {
    state.at = state.order.length;
    save();
    show();
  });
  find("again").addEventListener("click", () => {
    if (!window.confirm("Delete your votes and start over? Export them first if they count.")) return;
    state = fresh();
    save();
    show();
  });
  find("play").addEventListener("click", () => play(!playing));
  find("frame").addEventListener("input", (event) => {
    play(false);
    frame = Number(event.target.value);
    draw();
  });
  document.addEventListener("keydown", (event) => {
    if (find("pair").hidden || event.target.type === "range") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = {ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same", 0: "same"}[event.key];
    if (choice) vote(asked()[active], choice);
    else if (event.key === "Enter" && event.target.tagName !== "BUTTON") go(1);
    else if (event.key === "Backspace") go(-1);
    else if (event.key === "p") play(!playing);
    else if (/^[1-9]$/.test(event.key) && Number(event.key) <= asked().length) {
      active = Number(event.key) - 1;
      mark();
    } else return;
    event.preventDefault();
  });
  play(!window.matchMedia("(prefers-reduced-motion: reduce)").matches);
  show();
  requestAnimationFrame(tick);
})();
