// What the tests ask of a page that is laid out in a frame.
function measure(frame) {
  const inside = frame.contentDocument;
  const root = inside.documentElement;

  const box = (element) => element.getBoundingClientRect();
  const colour = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);

  // The nearest colour behind an element that lets nothing through.
  function behind(element) {
    for (let up = element; up; up = up.parentElement) {
      const found = colour(getComputedStyle(up).backgroundColor);
      if (found.length < 4 || found[3] > 0.99) return found;
    }
    return [255, 255, 255];
  }

  // WCAG's contrast ratio.
  function contrast(element) {
    const both = [light(colour(getComputedStyle(element).color)), light(behind(element))];
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  }

  const shown = [...inside.querySelectorAll("body *")].filter((element) => element.getClientRects().length);
  const hasWords = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const words = shown.filter((element) => hasWords(element) && !element.closest("svg"));
  const chartWords = shown.filter((element) => element.tagName === "text");

  function overlap(a, b) {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return wide > 1.5 && high > 1.5;
  }

  const clashes = [];
  for (const chart of inside.querySelectorAll("svg.chart")) {
    const texts = [...chart.querySelectorAll("text")];
    texts.forEach((a, index) => {
      for (const b of texts.slice(index + 1)) {
        if (overlap(box(a), box(b))) clashes.push(`${chart.ariaLabel}: ${a.textContent} / ${b.textContent}`);
      }
    });
  }

  function leavesCard(text) {
    const card = box(text.closest(".card"));
    return box(text).left < card.left || box(text).right > card.right + 0.5;
  }

  const faintest = words.toSorted((a, b) => contrast(a) - contrast(b))[0];
  const beyond = shown.filter((element) => box(element).right > root.clientWidth + 1 && !element.closest(".scroll"));

  return {
    width: root.clientWidth,
    scrollWidth: root.scrollWidth,
    background: getComputedStyle(inside.body).backgroundColor,
    beyond: beyond.map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`),
    images: inside.images.length,
    brokenImages: [...inside.images].filter((image) => !image.naturalWidth).length,
    faintest: contrast(faintest),
    faintestWords: faintest.textContent.trim().slice(0, 60),
    smallest: Math.min(99, ...chartWords.map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)),
    outOfCard: chartWords.filter(leavesCard).map((text) => text.textContent),
    clashes,
    scripts: inside.scripts.length,
  };
}
