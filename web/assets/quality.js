// The share that goes follows the slider; the page follows when the slider rests.
// Without it the slider is a form of its own, whose button asks.
import { follow } from "./follow.js";

const form = document.querySelector("#share");
if (form) {
  const { share } = form.elements;
  const said = form.querySelector("output");
  const ask = follow(form);
  let rest;
  share.addEventListener("input", () => {
    said.value = `${share.value}%`;
    clearTimeout(rest);
    rest = setTimeout(ask, 200);
  });
}
