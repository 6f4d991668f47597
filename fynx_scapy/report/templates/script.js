for (const button of document.querySelectorAll("[data-open]"))
  button.addEventListener("click", () => {
    const open = button.dataset.open === "true";
    for (const message of document.querySelectorAll(".ladder details.row")) message.open = open;
    if (open) for (const conversation of document.querySelectorAll(".conversation")) conversation.open = true;
  });
// Open everything for printing.
addEventListener("beforeprint", () => {
  for (const closed of document.querySelectorAll(".conversation, .requirements")) closed.open = true;
});
