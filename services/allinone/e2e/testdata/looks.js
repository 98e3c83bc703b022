"use strict";
// shown says whether an element's text is to be seen; text for screen readers only is not.
var shown = e => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest(".sr, .sprite, .skip") && e.getClientRects().length > 0;
var named = (e, text) => `${e.tagName.toLowerCase()}${e.className && e.className.baseVal === undefined ? "." + e.className.trim().replaceAll(/\s+/g, ".") : ""} “${text.trim().slice(0, 60)}”`;

// contrast lists the texts whose contrast to what is behind them is below 4.5:1, or 3:1 if they are large.
var contrast = theme => {
  const root = document.documentElement, before = root.dataset.theme;
  root.dataset.theme = theme;
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const read = css => {
    if (!known.has(css)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = css;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(css, [r, g, b, a / 255]);
    }
    return known.get(css);
  };
  const over = (top, under, alpha) => [0, 1, 2].map(i => top[i] * alpha + under[i] * (1 - alpha));
  // behind is the colour below an element's text: all backgrounds up to the page, laid on each other.
  const behind = e => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.unshift(read(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, c) => over(c, under, c[3]), theme === "dark" ? [0, 0, 0] : [255, 255, 255]);
  };
  const light = c => {
    const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const found = new Set();
  const judge = (e, style, text) => {
    const back = behind(e), ink = read(style.color);
    let alpha = ink[3];
    for (let at = e; at; at = at.parentElement) alpha *= Number(getComputedStyle(at).opacity);
    const [a, b] = [light(over(ink, back, alpha)), light(back)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05), size = parseFloat(style.fontSize);
    const least = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700 ? 3 : 4.5;
    if (ratio < least) found.add(`contrast ${ratio.toFixed(2)} of ${named(e, text)}`);
  };
  const opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach(d => d.open = true);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let count = 0;
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || e.matches("script, style") || !shown(e)) continue;
    judge(e, getComputedStyle(e), texts.currentNode.data);
    count++;
  }
  for (const e of document.querySelectorAll("input, textarea")) {
    if (!shown(e)) continue;
    if (e.value) judge(e, getComputedStyle(e), e.value);
    else if (e.placeholder) judge(e, getComputedStyle(e, "::placeholder"), e.placeholder);
  }
  opened.forEach(d => d.open = false);
  if (before === undefined) delete root.dataset.theme; else root.dataset.theme = before;
  return count < 10 ? [`only ${count} texts were seen`] : [...found];
};

// overflow lists what does not fit. Navigation may be swiped on a phone; nothing else scrolls sideways, nothing is cut off.
var overflow = () => {
  const found = [], wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  for (const e of document.querySelectorAll("body *")) {
    if (!shown(e) || e.closest(".nav, .tabs") && wide < 760) continue;
    const style = getComputedStyle(e);
    if (style.overflowX !== "visible" && !e.matches("input, textarea, select, progress") && e.scrollWidth > e.clientWidth + 1)
      found.push(`${named(e, e.innerText)} needs ${e.scrollWidth} px and has ${e.clientWidth}`);
    const box = e.getBoundingClientRect();
    if (e.closest("main") && box.width && box.right > wide + 1) found.push(`${named(e, e.innerText ?? "")} ends at ${Math.round(box.right)} px`);
  }
  for (const cell of document.querySelectorAll(".rows td, .rows th")) {
    if (shown(cell) && cell.scrollWidth > cell.clientWidth + 1) found.push(`${named(cell, cell.innerText)} spills over its cell`);
  }
  return found.slice(0, 8);
};
