// The message box: it grows with its text, offers commands after a slash, and remembers the last line.
import { element } from "./cards.js";

export function composer(say) {
  const form = document.querySelector("#composer");
  const line = document.querySelector("#line");
  const offers = document.querySelector("#offers");
  let suggestions = [];
  let chosen = -1;
  let last = "";

  const grow = () => {
    line.style.height = "auto";
    line.style.height = `${Math.min(line.scrollHeight, 200)}px`;
  };

  function choose(index) {
    const items = [...offers.children];
    chosen = items.length ? (index + items.length) % items.length : -1;
    items.forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    if (chosen < 0) line.removeAttribute("aria-activedescendant");
    else {
      line.setAttribute("aria-activedescendant", items[chosen].id);
      items[chosen].scrollIntoView({ block: "nearest" });
    }
  }

  function close() {
    offers.hidden = true;
    offers.replaceChildren();
    chosen = -1;
    line.removeAttribute("aria-activedescendant");
  }

  function use(text) {
    line.value = text;
    close();
    grow();
    line.focus();
  }

  function offer() {
    const typed = line.value.toLowerCase();
    const fitting = typed.startsWith("/")
      ? suggestions.filter((each) => each.line.startsWith(typed) && each.line !== typed) : [];
    close();
    if (!fitting.length) return;
    offers.append(...fitting.map((each, at) => {
      const item = element("li", "offer");
      item.id = `offer-${at}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.append(element("span", "command", each.line), element("span", "about", each.about));
      item.addEventListener("mousedown", (event) => {
        event.preventDefault(); // the message box keeps the focus
        use(each.line);
      });
      return item;
    }));
    offers.hidden = false;
  }

  async function send(text) {
    if (!text.trim()) return;
    last = text;
    line.value = "";
    close();
    grow();
    if (!(await say(text)) && !line.value) {
      line.value = text; // refused: nothing typed is lost
      grow();
    }
  }

  line.addEventListener("input", () => {
    grow();
    offer();
  });
  line.addEventListener("blur", close);
  line.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !offers.hidden;
    if (open && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      choose(event.key === "ArrowDown" ? chosen + 1 : chosen < 0 ? -1 : chosen - 1);
    } else if (open && event.key === "Escape") {
      close();
    } else if (open && chosen >= 0 && ["Enter", "Tab"].includes(event.key)) {
      event.preventDefault();
      use(offers.children[chosen].querySelector(".command").textContent);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send(line.value);
    } else if (event.key === "ArrowUp" && !line.value && last) {
      event.preventDefault();
      use(last);
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(line.value);
    line.focus();
  });

  return {
    suggest(list) {
      suggestions = list;
    },
    draft(text) {
      line.value = text ?? "";
      grow();
    },
    focus: () => line.focus(),
    send,
  };
}
