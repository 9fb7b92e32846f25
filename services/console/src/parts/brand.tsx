import { brand } from "../api/brand.ts";
import { productName } from "../session/product-name.ts";
import styles from "./brand.module.css";

/** The operator's logo and name, or else Posthaste's. */
export function Brand() {
  return (
    <div className={styles.brand}>
      {brand().name === null ? <OwnLogo /> : <img src="/brand/logo" width="28" height="28" alt="" />}
      <span>{productName()}</span>
    </div>
  );
}

function OwnLogo() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#4350e6" />
      <path d="M7 10h10M5 16h9M8 22h8" stroke="#aeb6ff" strokeWidth="2.4" strokeLinecap="round" />
      <path d="M17 8.5 27 16l-10 7.5V8.5Z" fill="#fff" />
    </svg>
  );
}
