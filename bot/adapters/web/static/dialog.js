// A form of the bot as a dialog: labelled boxes, a count where there is a limit, errors in words.
import { element } from "./cards.js";

let serial = 0;

function box(field) {
  const row = element("div", "box");
  const id = `box-${++serial}`;
  const label = element("label", "", field.optional ? `${field.label} (optional)` : field.label);
  label.htmlFor = id;
  const input = element(field.multiline ? "textarea" : "input");
  input.id = id;
  input.name = field.name;
  input.value = field.value;
  input.autocomplete = "off";
  input.spellcheck = false;
  if (field.multiline) input.rows = 9;
  const count = element("p", "count");
  count.id = `${id}-count`;
  input.setAttribute("aria-describedby", count.id);
  const check = () => {
    const length = [...input.value].length;
    const wrong = length > field.max_length ? `Too long: ${length} of at most ${field.max_length} characters`
      : !field.optional && !input.value.trim() ? "Write something first" : "";
    count.textContent = wrong && length ? wrong : `${length} of ${field.max_length} characters`;
    input.toggleAttribute("data-wrong", Boolean(wrong && length));
    return wrong;
  };
  input.addEventListener("input", () => {
    input.removeAttribute("aria-invalid");
    check();
  });
  check();
  row.append(label, input, count);
  return { row, input, check };
}

// Shows the form; `send(values)` resolves to "" when it was accepted, else to what went wrong. `done` runs on closing.
export function openForm(form, send, done) {
  const dialog = element("dialog");
  const title = element("h2", "", form.title);
  title.id = `dialog-${++serial}`;
  dialog.setAttribute("aria-labelledby", title.id);
  const body = element("form");
  const boxes = form.fields.map(box);
  const wrong = element("p", "wrong");
  wrong.setAttribute("role", "alert");
  const row = element("div", "buttons");
  const cancel = element("button", "action", "Cancel");
  cancel.type = "button";
  const submit = element("button", "action", form.submit);
  submit.type = "submit";
  submit.dataset.look = "main";
  const hint = element("span", "hint", "Ctrl + Enter sends");
  row.append(submit, cancel, hint);
  body.noValidate = true;
  body.append(...boxes.map((each) => each.row), wrong, row);
  dialog.append(title, body);
  document.body.append(dialog);

  let busy = false;
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    done();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      body.requestSubmit();
    }
  });
  body.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    for (const each of boxes) {
      const problem = each.check();
      if (!problem) continue;
      wrong.textContent = problem;
      each.input.setAttribute("aria-invalid", "true");
      each.input.focus();
      return;
    }
    busy = true;
    submit.setAttribute("aria-disabled", "true");
    wrong.textContent = await send(Object.fromEntries(boxes.map((each) => [each.input.name, each.input.value])));
    busy = false;
    submit.removeAttribute("aria-disabled");
    if (!wrong.textContent) dialog.close();
  });
  dialog.showModal();
  const first = boxes[0]?.input;
  first?.focus();
  first?.setSelectionRange?.(first.value.length, first.value.length);
}
