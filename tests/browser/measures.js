// What a person would see at a glance, as numbers. Each function returns a list of what is wrong.
window.measures = (() => {
  const rgb = text => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const channel = value => ((value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ratio = (one, two) => {
    const [low, high] = [light(one), light(two)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const isSeen = each => each.getClientRects().length > 0 && getComputedStyle(each).visibility !== 'hidden';
  const below = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const behind = text => {
    const own = text.parentElement.querySelector(':scope > .r');
    const group = text.closest('.t');
    const box =
      own || (text.classList.contains('n') ? group?.querySelector(':scope > .h') : group?.querySelector(':scope > .b'));
    return box ? rgb(getComputedStyle(box).fill) : below(text.closest('div, body'));
  };
  // https://www.w3.org/TR/WCAG21/#contrast-minimum
  const contrast = () => {
    const found = [];
    for (const each of document.querySelectorAll('body *:not(script)')) {
      const own = [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
      if (!own || !isSeen(each) || ['title', 'option', 'style'].includes(each.localName)) continue;
      const isDrawn = each instanceof SVGElement;
      const colour = rgb(isDrawn ? getComputedStyle(each).fill : getComputedStyle(each).color);
      const ground = isDrawn ? behind(each.closest('text')) : below(each);
      if (ratio(colour, ground) < 4.5)
        found.push(
          `${each.localName}.${each.getAttribute('class')} ${each.textContent.slice(0, 30)}: ${colour} on ${ground}`,
        );
    }
    return found;
  };
  const meet = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  const overlaps = () => {
    const found = [];
    for (const svg of document.querySelectorAll('svg')) {
      if (!isSeen(svg)) continue;
      const boxes = [...svg.querySelectorAll('.t > .b')].map(each => each.getBoundingClientRect());
      boxes.forEach((one, at) => boxes.slice(at + 1).forEach(two => meet(one, two) && found.push('two boxes')));
      for (const group of svg.querySelectorAll('.t')) {
        const box = group.querySelector(':scope > .b').getBoundingClientRect();
        const texts = [...group.querySelectorAll('text')].map(each => [each.textContent, each.getBoundingClientRect()]);
        texts.forEach(([words, one], at) => {
          if (one.left < box.left || one.right > box.right + 0.5) found.push(`${words} leaves its box`);
          // lines stand close to each other: only what is beside each other can overlap
          for (const [others, two] of texts.slice(at + 1)) {
            const isBeside = Math.abs(one.top - two.top) < 4;
            if (isBeside && meet(one, two)) found.push(`${words} over ${others}`);
          }
        });
      }
      const free = [...svg.querySelectorAll(':scope > text')].map(each => [
        each.textContent,
        each.getBoundingClientRect(),
      ]);
      free.forEach(([words, one], at) =>
        free.slice(at + 1).forEach(([others, two]) => meet(one, two) && found.push(`${words} over ${others}`)),
      );
    }
    return found;
  };
  // https://www.w3.org/TR/WCAG21/#keyboard: what scrolls can be reached
  const unreachable = () =>
    [...document.querySelectorAll('body *')]
      .filter(each => {
        const style = getComputedStyle(each);
        const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY) && !(each instanceof SVGElement);
        return isSeen(each) && scrolls && each.tabIndex < 0;
      })
      .map(each => each.outerHTML.slice(0, 80));
  const unnamed = () =>
    [...document.querySelectorAll('svg, [role=region], [role=button]')]
      .filter(each => !each.getAttribute('aria-label'))
      .map(each => each.outerHTML.slice(0, 80));
  const unlabelled = () =>
    [...document.querySelectorAll('input')].filter(each => !each.labels.length).map(each => each.outerHTML);
  return { contrast, overlaps, unreachable, unnamed, unlabelled };
})();
