import { Search } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";
import controls from "../parts/controls.module.css";
import { destinationOf, SEARCH_PATH, searchedText } from "./destination.ts";
import styles from "./search-box.module.css";
import { isTyping } from "./shortcuts.ts";

/** Searches for an id, a value, an idempotency key or a URL. The key `/` leads to it. */
export function SearchBox() {
  const [location, navigate] = useLocation();
  const query = useSearch();
  const searched = location === SEARCH_PATH ? searchedText(query) : "";
  const [text, setText] = useState(searched);
  // Shows what was searched for, so that it can be corrected. Another page keeps only what is being typed.
  const [shown, setShown] = useState(searched);
  if (shown !== searched) {
    setShown(searched);
    if (searched !== "" || text === shown) setText(searched);
  }
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    window.addEventListener("keydown", focus);
    return () => window.removeEventListener("keydown", focus);
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const destination = destinationOf(text);
    if (destination === undefined) return;
    if (destination.kind === "page") setText("");
    navigate(destination.address);
  };
  return (
    <search>
      <form className={styles.form} onSubmit={submit}>
        <Search size={15} aria-hidden="true" />
        {/* No React Aria: the parts of a form are a twentieth of the first load. */}
        <input
          ref={input}
          type="search"
          aria-label="Search"
          className={`${controls.input} ${styles.input}`}
          placeholder="ID, value, URL  ( / )"
          enterKeyHint="search"
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
      </form>
    </search>
  );
}
