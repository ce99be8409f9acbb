const sun = "#f97352";

export function Stamp() {
  return (
    <svg viewBox="0 0 60 72" role="img" aria-label="A stamp with hills">
      <rect x="1.5" y="1.5" width="57" height="69" fill="#fff" stroke="#cbbf9f" strokeWidth="3" strokeDasharray="0 6" strokeLinecap="round" />
      <rect x="6" y="6" width="48" height="60" fill="#fde3c8" />
      <circle cx="36" cy="26" r="9" fill={sun} />
      <path d="M6 48q12-16 24-4t24-6v28H6z" fill="#2f9e8f" />
      <path d="M6 56q14-10 26-2t22-3v15H6z" fill="#0f766e" />
    </svg>
  );
}
