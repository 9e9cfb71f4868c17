// The third picture: one table and the tables next to it, by its name, by a click, by #t=NAME. All else needs no script.
const search = document.getElementById('q');
const picture = document.getElementById('ego');
const tables = new Map(JSON.parse(document.getElementById('m').textContent));
const SVG = 'http://www.w3.org/2000/svg';
const CHARACTER = 6.65,
  ROW = 17,
  HEAD = 24,
  STEP = 30,
  GAP = 90,
  IN_A_COLUMN = 24;
const KINDS = { '+': ' add', '−': ' del', '~': ' chg' };
document.documentElement.className = 'js';

const short = name => (name.startsWith('public.') ? name.slice(7) : name);
const kind = sign => KINDS[sign] || '';
// East Asian characters are two wide; the signs that the page itself writes are not
const cells = text => [...text].reduce((sum, each) => sum + (each > '\u10ff' && !'…→−←'.includes(each) ? 2 : 1), 0);
const cut = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join('')}…` : text);

function add(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text != null) made.textContent = text;
  parent.append(made);
  return made;
}

const curve = (x1, y1, x2, y2) => `M${x1} ${y1}C${x1 + GAP / 2} ${y1} ${x2 - GAP / 2} ${y2} ${x2} ${y2}`;
const widest = names =>
  names.length ? Math.max(8, ...names.map(each => cells(cut(short(each), 40)))) * CHARACTER + 24 : 0;

// A neighbour: its name alone, a button that shows it in the middle.
function drawNeighbour(svg, name, x, y, width) {
  const button = { tabindex: 0, role: 'button', 'aria-label': short(name) };
  const box = add(svg, 'g', { class: `t${kind(tables.get(name)?.s)}`, transform: `translate(${x} ${y})`, ...button });
  add(box, 'rect', { class: 'b', width, height: 22, rx: 4 });
  add(box, 'text', { class: 'n', x: 8, y: 15 }, cut(short(name), 40));
  box.onclick = () => pick(name);
  box.onkeydown = event => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    pick(name);
  };
}

function drawTable(svg, name, rows, x, width) {
  const sign = tables.get(name).s;
  const box = add(svg, 'g', { class: `t${kind(sign)}`, transform: `translate(${x} 0)` });
  add(box, 'rect', { class: 'b', width, height: HEAD + rows.length * ROW + 4, rx: 4 });
  add(box, 'rect', { class: 'h', width, height: 22, rx: 4 });
  add(box, 'text', { class: 'n', x: 8, y: 15 }, `${sign ? `${sign} ` : ''}${cut(short(name), 60)}`);
  rows.forEach(([left, right, state], number) => {
    const y = HEAD + number * ROW;
    const row = add(box, 'g', { class: `w${kind(state)}` });
    if (state) add(row, 'rect', { class: 'r', x: 1, y, width: width - 2, height: ROW });
    add(row, 'text', { class: 'c', x: 8, y: y + 12 }, `${state ? `${state} ` : ''}${left}`);
    add(row, 'text', { class: 'y', x: width - 8, y: y + 12 }, right);
  });
}

// What it refers to at the left, the table in full, what refers to it at the right.
function show(name) {
  const table = tables.get(name);
  if (!table) return;
  const left = [...new Set(table.f.map(each => each[0]))].filter(each => each !== name);
  const right = [...tables.keys()].filter(each => each !== name && tables.get(each).f.some(other => other[0] === name));
  const rows = table.c.map(([column, type, mark, state]) => [
    cut(column, 40) + (mark ? ` ${mark}` : ''),
    cut(type, 60),
    state,
  ]);
  const characters = Math.max(
    18,
    cells(cut(short(name), 60)) + 4,
    ...rows.map(row => cells(row[0]) + cells(row[1]) + 6),
  );
  const [wideLeft, wide, wideRight] = [widest(left), characters * CHARACTER, widest(right)];
  const middle = left.length ? wideLeft + GAP : 0;
  const end = middle + wide;
  const width = (right.length ? end + GAP + Math.ceil(right.length / IN_A_COLUMN) * (wideRight + 14) : end) + 12;
  const height =
    Math.max(STEP + rows.length * ROW, left.length * STEP, Math.min(right.length, IN_A_COLUMN) * STEP) + 12;
  const label = `${short(name)} and the tables next to it`;
  picture.textContent = '';
  const svg = add(picture, 'svg', {
    viewBox: `-6 -6 ${width} ${height}`,
    width,
    height,
    role: 'group',
    'aria-label': label,
  });
  left.forEach((other, number) => {
    for (const [target, column] of table.f.filter(each => each[0] === other)) {
      const row = table.c.findIndex(each => each[0] === column);
      const y = row < 0 ? HEAD / 2 : HEAD + row * ROW + ROW / 2;
      add(svg, 'path', { class: 'e', d: curve(wideLeft, number * STEP + 11, middle, y) });
    }
    drawNeighbour(svg, other, 0, number * STEP, wideLeft);
  });
  right.forEach((other, number) => {
    const column = Math.floor(number / IN_A_COLUMN);
    const y = (number % IN_A_COLUMN) * STEP;
    if (!column) add(svg, 'path', { class: 'e', d: curve(end, 11, end + GAP, y + 11) });
    drawNeighbour(svg, other, end + GAP + column * (wideRight + 14), y, wideRight);
  });
  drawTable(svg, name, rows, middle, wide);
  search.value = short(name);
  history.replaceState(null, '', `#t=${encodeURIComponent(name)}`);
}

function pick(name) {
  show(name);
  search.scrollIntoView({ block: 'start' });
  search.focus({ preventScroll: true });
}

const named = text => [...tables.keys()].find(name => short(name) === text || name === text);
const like = text => [...tables.keys()].find(name => name.toLowerCase().includes(text.toLowerCase()));

function showAddressed() {
  const name = [...tables.keys()].find(each => location.hash === `#t=${encodeURIComponent(each)}`);
  show(name || location.hash.slice(3));
}

if (search) {
  search.oninput = () => show(named(search.value));
  search.onkeydown = event => {
    if (event.key === 'Enter' && search.value) show(named(search.value) || like(search.value));
  };
  document.addEventListener('click', event => {
    const box = event.target.closest('.t[data-t]');
    if (box) pick(box.dataset.t);
  });
  window.addEventListener('hashchange', showAddressed);
  showAddressed();
}

// The lines of the table below the pointer stand out.
document.addEventListener('mouseover', event => {
  const name = event.target.closest('.t[data-t]')?.dataset.t;
  for (const line of event.target.closest('svg')?.querySelectorAll('.e') || [])
    line.classList.toggle('on', name !== undefined && (line.dataset.a === name || line.dataset.b === name));
});
