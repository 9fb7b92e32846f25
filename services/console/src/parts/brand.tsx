import styles from "./brand.module.css";

export function Brand() {
  return (
    <div className={styles.brand}>
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="8" fill="#4350e6" />
        <path d="M7 10h10M5 16h9M8 22h8" stroke="#aeb6ff" strokeWidth="2.4" strokeLinecap="round" />
        <path d="M17 8.5 27 16l-10 7.5V8.5Z" fill="#fff" />
      </svg>
      <span>Posthaste</span>
    </div>
  );
}
