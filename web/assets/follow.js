// Asks for a form's page and puts its `#found` in the place of ours; of two at a time the later one.
export function follow(form) {
  let asked = new AbortController();
  return async function ask() {
    asked.abort();
    asked = new AbortController();
    const said = [...new FormData(form)].filter(([, value]) => value !== "");
    const url = `${form.getAttribute("action")}?${new URLSearchParams(said)}`;
    try {
      const answer = await fetch(url, { signal: asked.signal });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.querySelector("#found");
      if (!found) return;
      document.querySelector("#found").replaceWith(found);
      history.replaceState(null, "", url);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  };
}
