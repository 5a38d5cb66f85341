// The years of the map as a slider: bars follow at once, the map when the slider rests.
// Without it the two years are fields of a form, and each bar is a link.
import { follow } from "./follow.js";

const form = document.querySelector("#ask");
const years = document.querySelector(".years");
if (form && years) {
  const first = Number(years.dataset.first);
  const last = Number(years.dataset.last);
  const fields = ["captured-min", "captured-max"].map((name) => form.elements[name]);
  const whole = [first, last];
  const chosen = () => fields.map((field, at) => Number.parseInt(field.value, 10) || whole[at]);
  const sliders = ["First year", "Last year"].map((name, at) => {
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: first, max: last, value: chosen()[at] });
    slider.setAttribute("aria-label", name);
    return slider;
  });
  const track = document.createElement("div");
  track.className = "slider";
  track.append(...sliders);
  years.querySelector("svg").after(track);

  const ask = follow(form);
  let rest;

  sliders.forEach((slider, own) => {
    slider.addEventListener("input", () => {
      const [from, to] = sliders.map((one) => Number(one.value));
      // One end stops at the other.
      if (from > to) slider.value = own === 0 ? to : from;
      const range = sliders.map((one) => Number(one.value));
      // Both ends as far as they go mean any year, also an unknown one.
      fields.forEach((field, at) => {
        field.value = range[at] === whole[at] ? "" : range[at];
      });
      for (const bar of years.querySelectorAll("a")) {
        const isIn = Number(bar.dataset.to) >= range[0] && Number(bar.dataset.from) <= range[1];
        bar.setAttribute("class", isIn ? "in" : "out");
      }
      clearTimeout(rest);
      rest = setTimeout(ask, 200);
    });
  });
}
