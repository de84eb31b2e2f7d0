// Draws what the server rendered. Every text goes through textContent; nothing is ever parsed as HTML.

export function element(tag, className = "", text = null) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  return node;
}

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}

// A moment in seconds since 1970, told in the reader's own zone.
export function moment(at, form) {
  const date = new Date(at * 1000);
  const node = element("time", "", date.toLocaleString([], form));
  node.dateTime = date.toISOString();
  return node;
}

const TAGS = { code: "code", strong: "strong", emphasis: "em" };
let serial = 0;

function spans(parent, line) {
  for (const span of line) {
    if (span.at) parent.append(moment(span.at, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short" }));
    else parent.append(TAGS[span.style] ? element(TAGS[span.style], "", span.text) : document.createTextNode(span.text));
  }
  parent.dir = "auto";
  return parent;
}

const TOKENS = new RegExp([
  "(?<comment>#.*)",
  "(?<string>[rbf]{0,2}(?:\"\"\"[\\s\\S]*?\"\"\"|'''[\\s\\S]*?'''|\"(?:\\\\.|[^\"\\\\\\n])*\"|'(?:\\\\.|[^'\\\\\\n])*'))",
  "\\b(?<keyword>and|as|assert|async|await|break|class|continue|def|del|elif|else|except|False|finally|for|from|if|import|in|is|lambda|None|not|or|pass|raise|return|True|try|while|with|yield)\\b",
  "\\b(?<number>\\d[\\w.]*)",
].join("|"), "g");

function highlight(parent, source) {
  let from = 0;
  for (const match of source.matchAll(TOKENS)) {
    const [kind] = Object.entries(match.groups).find(([, text]) => text !== undefined);
    parent.append(source.slice(from, match.index), element("span", `t-${kind}`, match[0]));
    from = match.index + match[0].length;
  }
  parent.append(source.slice(from));
}

function copyButton(source) {
  const button = element("button", "copy", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return button;
}

const BLOCKS = {
  heading: (block) => spans(element("h3"), [block]),

  text: (block) => spans(element("p"), block.line),

  bullets(block) {
    const list = element(block.numbered ? "ol" : "ul", "bullets");
    list.append(...block.items.map((item) => spans(element("li"), item)));
    return list;
  },

  code(block) {
    const python = ["py", "python"].includes(block.language);
    const figure = element("figure", python ? "code" : "code output");
    const caption = element("figcaption", "", block.title || (python ? "Python" : "Output"));
    const pre = element("pre");
    pre.tabIndex = 0; // long lines scroll, by keyboard too
    pre.setAttribute("role", "group");
    pre.setAttribute("aria-label", caption.textContent);
    const code = element("code");
    if (python && block.source.length < 20000) highlight(code, block.source);
    else code.textContent = block.source;
    pre.append(code);
    caption.append(copyButton(block.source));
    figure.append(caption, pre);
    return figure;
  },

  choices(block) {
    const list = element("ul", "choices");
    for (const choice of block.choices) {
      const item = element("li", "choice");
      item.dataset.letter = choice.letter;
      item.dataset.mark = choice.mark;
      const text = spans(element("span", "option"), choice.line);
      text.id = `option-${++serial}`;
      item.append(element("span", "letter", choice.letter), text);
      if (choice.mark) item.append(element("span", "verdict", `${choice.mark === "right" ? "✓" : "✗"} ${choice.mark}`));
      list.append(item);
    }
    return list;
  },

  board(block) {
    const list = element("ol", "board");
    for (const row of block.rows) {
      const item = element("li", row.me ? "me" : "");
      item.dataset.rank = row.rank;
      const who = element("span", "who");
      who.append(element("bdi", "", row.name));
      if (row.me) who.append(element("span", "you", "you"));
      if (row.detail) who.append(element("span", "detail", row.detail));
      item.append(element("span", "rank", `${row.rank}.`), who);
      item.append(element("span", "points", `${row.points} ${row.points === 1 ? "point" : "points"}`));
      list.append(item);
    }
    return list;
  },

  table(block) {
    const frame = element("div", "table");
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", `Table of ${block.columns.join(", ")}`);
    const table = element("table");
    const head = element("tr");
    for (const column of block.columns) {
      const cell = element("th", "", column);
      cell.scope = "col";
      head.append(cell);
    }
    table.createTHead().append(head);
    const body = table.createTBody();
    for (const row of block.rows) body.insertRow().append(...row.map((text) => element("td", "", text)));
    frame.append(table);
    return frame;
  },

  files(block) {
    const list = element("div", "files");
    for (const file of block.files) {
      if (file.picture) {
        const figure = element("figure", "picture");
        const image = element("img");
        image.src = file.address;
        image.alt = file.alt;
        figure.append(image, element("figcaption", "", file.name));
        list.append(figure);
      } else {
        const link = element("a", "file");
        link.href = file.address;
        link.download = file.name;
        link.append(icon("file"), element("span", "", file.name));
        list.append(link);
      }
    }
    return list;
  },

  note: (block) => spans(element("p", "note"), [block]),
};

function actionButton(entry, press) {
  const button = element("button", "action", entry.label);
  button.type = "button";
  button.dataset.look = entry.look ?? "plain";
  if (entry.label.length === 1) button.classList.add("single");
  if (entry.enabled === false) button.setAttribute("aria-disabled", "true");
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") press(entry.wire, button);
  });
  return button;
}

function menu(entries, press) {
  const list = element("ul", "menu");
  list.append(...entries.map((entry) => {
    const item = element("li");
    const button = actionButton(entry, press);
    if (entry.about) button.append(element("span", "about", entry.about));
    item.append(button);
    return item;
  }));
  return list;
}

// A choice may be clicked as well as its letter; the letter button is the one for keyboards and screen readers.
function joinChoices(card, row) {
  for (const choice of card.querySelectorAll(".choice")) {
    const button = [...row.children].find((each) => each.textContent === choice.dataset.letter);
    if (!button) continue;
    button.setAttribute("aria-describedby", choice.querySelector(".option").id);
    choice.classList.add("live");
    choice.addEventListener("click", () => {
      if (getSelection().isCollapsed) button.click();
    });
  }
}

export function drawCard(view, press) {
  const card = element("div", "card");
  card.append(...view.blocks.filter((block) => BLOCKS[block.kind]).map((block) => BLOCKS[block.kind](block)));
  if (!view.final) {
    const bar = element("div", "bar");
    bar.setAttribute("role", "progressbar");
    bar.setAttribute("aria-label", "Working");
    card.prepend(bar);
  }
  const note = card.lastElementChild?.classList.contains("note") ? card.lastElementChild : null;
  if (view.menu) {
    card.insertBefore(element("p", "prompt", view.menu.placeholder), note);
    card.insertBefore(menu(view.menu.entries, press), note);
  }
  if (view.buttons.length) {
    const row = element("div", "buttons");
    row.append(...view.buttons.map((button) => actionButton(button, press)));
    card.insertBefore(row, note);
    joinChoices(card, row);
  }
  return card;
}

// A stable colour for each name; which one means nothing.
export function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return `hue${sum % 6}`;
}

export function avatar(name) {
  const node = element("span", `avatar ${hue(name)}`, [...name][0].toUpperCase());
  node.setAttribute("aria-hidden", "true");
  return node;
}

export function drawMessage(message, press) {
  const article = element("article", message.card ? "message bot" : "message");
  article.tabIndex = -1;
  article.dataset.id = message.id;
  const bot = Boolean(message.card);
  const picture = bot ? element("span", "avatar mark") : avatar(message.author);
  if (bot) {
    picture.setAttribute("aria-hidden", "true");
    picture.append(icon("flame"));
  }
  const head = element("div", "head");
  const author = element("bdi", "author", message.author);
  author.dir = "auto";
  head.append(author);
  if (bot) head.append(element("span", "app", "app"));
  head.append(moment(message.at, { hour: "2-digit", minute: "2-digit" }));
  if (bot && message.private) {
    const only = element("span", "only");
    only.append(icon("eye"), "Only visible to you");
    head.append(only);
  } else if (bot && message.asked_by) {
    const asked = element("span", "only", "asked by ");
    asked.append(element("bdi", "", message.asked_by));
    head.append(asked);
  }
  const content = element("div", "content");
  content.append(head);
  if (bot) {
    article.setAttribute("aria-label", message.card.fallback);
    if (!message.card.final) article.setAttribute("aria-busy", "true");
    content.append(drawCard(message.card, press));
  } else {
    article.setAttribute("aria-label", `${message.author} said`);
    const command = message.text.startsWith("/");
    const [first, ...more] = message.text.split("\n"); // the code of a command stands on the card below
    const text = element("p", command ? "said command" : "said", command && more.length ? `${first} …` : message.text);
    text.dir = "auto";
    content.append(text);
  }
  article.append(picture, content);
  return article;
}
