// Brings the progress of a job up to date while it runs. Without it the page reloads itself.
const place = document.querySelector("[data-events]");
if (place) {
  const events = new EventSource(place.dataset.events);
  events.addEventListener("progress", (event) => {
    const job = JSON.parse(event.data);
    document.querySelector("#stage").textContent = job.stage;
    const bar = document.querySelector("#bar");
    if (job.total) {
      bar.max = job.total;
      bar.value = job.done;
    } else {
      bar.removeAttribute("value");
    }
    document.querySelector("#counts").textContent = job.counts;
    document.querySelector("#messages").textContent = job.messages;
  });
  events.addEventListener("over", () => {
    events.close();
    location.reload();
  });
}
