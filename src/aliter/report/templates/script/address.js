// The address

let galleries = [];
let pending = null;

function address() {
  const parameters = new URLSearchParams(galleries.flatMap((gallery) => written(gallery.index, gallery.state, gallery.prefix)));
  return `#${parameters}`;
}

function remember(push) {
  clearTimeout(pending);
  if (push) {
    history.pushState(null, "", address());
    return;
  }
  pending = setTimeout(() => history.replaceState(null, "", address()), 250);
}

function arrive() {
  clearTimeout(pending);
  const hash = location.hash.slice(1);
  const place = hash && !hash.includes("=") ? document.getElementById(hash) : null;
  const parameters = new URLSearchParams(place ? "" : hash);
  for (const gallery of galleries) {
    gallery.state = read(gallery.index, parameters, gallery.prefix);
    if (gallery.state.item !== null && !parameters.has(`${gallery.prefix}page`)) {
      gallery.arrange();
      const at = gallery.order.indexOf(gallery.state.item);
      if (at >= 0) gallery.state.page = Math.floor(at / gallery.size) + 1;
    }
    gallery.render();
  }
  if (place) place.scrollIntoView();
}
