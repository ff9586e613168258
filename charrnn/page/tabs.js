// Tabs as the ARIA practices have them: arrows go from one to the next.

import { byId } from "./elements.js";

function showTabs(changed) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const select = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    changed();
  };
  tabs.forEach((tab) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const shown = tabs.filter((one) => !one.hidden);
      const k = shown.indexOf(tab);
      const to = { ArrowRight: k + 1, ArrowLeft: k - 1, Home: 0, End: shown.length - 1 }[key];
      if (to === undefined) return;
      const next = shown[(to + shown.length) % shown.length];
      next.focus();
      next.click();
    });
  });
}

export { showTabs };
