// How it looks to this reader: light or dark, and which colours stand for rates. Kept in the
// browser, not in the address: a link should not change the reader's eyes.
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";
export type Palette = "traffic" | "colorblind" | "mono";

interface Look {
  theme: Theme;
  palette: Palette;
  dark: boolean;
}

const themes: readonly string[] = ["system", "light", "dark"];
const palettes: readonly string[] = ["traffic", "colorblind", "mono"];
const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function stored(name: string, allowed: readonly string[]): string {
  try {
    const value = window.localStorage.getItem(name) ?? "";
    return allowed.includes(value) ? value : allowed[0];
  } catch {
    return allowed[0];
  }
}

function keep(name: string, value: string): void {
  try {
    window.localStorage.setItem(name, value);
  } catch {
    // a browser that keeps nothing: the choice lasts as long as the page
  }
}

let look: Look = resolved(stored("failpat.theme", themes) as Theme, stored("failpat.palette", palettes) as Palette);

function resolved(theme: Theme, palette: Palette): Look {
  return { theme, palette, dark: theme === "dark" || (theme === "system" && system.matches) };
}

function apply(next: Look): void {
  look = next;
  document.documentElement.dataset.theme = look.dark ? "dark" : "light";
  for (const listener of listeners) listener();
}

export function startLook(): void {
  apply(look);
  system.addEventListener("change", () => apply(resolved(look.theme, look.palette)));
}

export function setTheme(theme: Theme): void {
  keep("failpat.theme", theme);
  apply(resolved(theme, look.palette));
}

export function setPalette(palette: Palette): void {
  keep("failpat.palette", palette);
  apply(resolved(look.theme, palette));
}

export function useLook(): Look {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => look,
  );
}
