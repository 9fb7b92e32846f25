import { Search } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import controls from "../parts/controls.module.css";
import { destinationOf } from "./destination.ts";
import styles from "./search-box.module.css";
import { isTyping } from "./shortcuts.ts";

/** Searches for an id, a value, an idempotency key or a URL. The key `/` leads to it. */
export function SearchBox() {
  const [text, setText] = useState("");
  const [, navigate] = useLocation();
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
