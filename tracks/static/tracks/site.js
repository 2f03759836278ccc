// What a script can do better: times in the visitor's own zone, and a button that is pressed once.
"use strict";

// The page's language, in the visitor's own regional manner of writing dates.
const language = navigator.languages.find((name) => name.startsWith(document.documentElement.lang)) ?? document.documentElement.lang;
const formats = {
  moment: new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }),
  day: new Intl.DateTimeFormat(language, { dateStyle: "long" }),
};

for (const time of document.querySelectorAll("time[data-show]")) {
  const moment = new Date(time.dateTime);
  const text = formats[time.dataset.show].format(moment);
  time.title = time.textContent.trim();
  time.textContent = text;
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
