// What a script can do better: times in the visitor's own zone, "5 minutes ago", and a button that is pressed once.
"use strict";

// The page's language, in the visitor's own regional manner of writing dates.
const language = navigator.languages.find((name) => name.startsWith(document.documentElement.lang)) ?? document.documentElement.lang;
const formats = {
  moment: new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }),
  day: new Intl.DateTimeFormat(language, { dateStyle: "long" }),
  day_of_year: new Intl.DateTimeFormat(language, { day: "numeric", month: "long" }),
  // The days of a drawing are UTC's, and seven of them stand side by side.
  utc_day: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" }),
  utc_day_of_year: new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" }),
};

for (const element of document.querySelectorAll("[data-show]")) {
  const moment = new Date(element.dateTime ?? element.dataset.at);
  if (element.dateTime) element.title = element.textContent.trim();
  element.textContent = formats[element.dataset.show].format(moment);
  // The page's title names the same day as its heading.
  if (element.dataset.inTitle) {
    document.title = document.title.replace(element.dataset.inTitle, () => formats.day.format(moment));
  }
}

// "Updated" becomes "Updated 5 minutes ago", and stays true in a page that stays open.
const units = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

function ago(moment) {
  const seconds = (Date.now() - moment) / 1000;
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? ["second", Infinity];
  // Less than a minute is "now", also where the visitor's clock is behind.
  const numeric = unit === "second" ? "auto" : "always";
  return new Intl.RelativeTimeFormat(language, { numeric }).format(-Math.floor(Math.max(0, seconds) / length), unit);
}

for (const element of document.querySelectorAll("[data-ago]")) {
  const moment = new Date(element.dataset.ago);
  const before = element.textContent;
  const tell = () => { element.textContent = `${before} ${ago(moment)}`; };
  tell();
  setInterval(tell, 30_000);
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button");
    button.disabled = true;
    button.textContent = form.dataset.once;
    button.setAttribute("aria-busy", "true");
  });
}

// A page that comes back from the browser's memory has to work again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted && document.querySelector("form[data-once]")) {
    window.location.reload();
  }
});

// The days of a question are those of the visitor's zone.
const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const element of document.querySelectorAll("[data-zone]")) {
  if (element.href) {
    const address = new URL(element.href);
    address.searchParams.set("tz", zone);
    element.href = address;
  } else {
    element.value = zone;
    element.disabled = false;
  }
}

// A link that is shown once: select it at a touch, copy it at another.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  field.addEventListener("focus", () => field.select());
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      field.select(); // what the browser forbids a script, the keyboard may do
      return;
    }
    button.textContent = button.dataset.done;
  });
}

// The bump chart under a finger: the first tap brings a line forward, the second follows it to its song.
for (const lines of document.querySelectorAll(".bump .lines")) {
  let held = null;
  lines.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || link === held || event.pointerType !== "touch") return;
    event.preventDefault();
    held = link;
    link.focus();
  });
  lines.addEventListener("focusout", () => { held = null; });
}

// The phone's own way to pass on a chart: as a picture where it takes files, as an address anywhere.
for (const button of document.querySelectorAll("button[data-share]")) {
  button.hidden = !navigator.share;
  let files = [];
  // Fetched when the part is opened: browsers want the sheet to follow the touch at once.
  button.closest("details").addEventListener("toggle", async () => {
    if (button.hidden || files.length || !button.dataset.picture || !navigator.canShare) return;
    try {
      const answer = await fetch(button.dataset.picture);
      if (answer.redirected || !answer.ok) return; // no picture of this chart
      const file = new File([await answer.blob()], "top-songs.png", { type: "image/png" });
      if (navigator.canShare({ files: [file] })) files = [file];
    } catch {
      // Without a network there is nothing to share.
    }
  });
  button.addEventListener("click", async () => {
    const what = { title: document.title, url: button.dataset.share };
    try {
      await navigator.share(files.length ? { ...what, files } : what);
    } catch {
      // Whoever closes the sheet has decided.
    }
  });
}
