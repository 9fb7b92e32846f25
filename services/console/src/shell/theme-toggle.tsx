import { Monitor, Moon, Sun } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import controls from "../parts/controls.module.css";
import { chooseTheme, currentTheme, THEMES, type Theme } from "./theme.ts";

const ICONS = { system: Monitor, light: Sun, dark: Moon } as const satisfies Record<Theme, unknown>;

/** Switches to the next theme. */
export function ThemeToggle() {
  const [theme, setTheme] = useState(currentTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  const Icon = ICONS[theme];
  return (
    <Button
      className={`${controls.button} ${controls.icon}`}
      aria-label={`Theme: ${theme}. Switch to ${next}`}
      onPress={() => {
        chooseTheme(next);
        setTheme(next);
      }}
    >
      <Icon size={16} aria-hidden="true" />
    </Button>
  );
}
