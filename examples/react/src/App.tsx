import { lazy, Suspense, useState } from "react";
import { Card } from "./Card";
import { ErrorBoundary } from "./ErrorBoundary";
import { Forecast } from "./Forecast";
import { Header } from "./Header";
import { PackingList } from "./PackingList";
import { Stepper } from "./Stepper";
import { useRoute } from "./useRoute";
import styles from "./App.module.css";

// Comes when it is first shown, and is replaced like any other module from then on.
const Postcard = lazy(() => import("./Postcard"));

export function App() {
  const route = useRoute();
  const [days, setDays] = useState(3);
  const [travellers, setTravellers] = useState(2);

  return (
    <div className={styles.page}>
      <Header route={route} />
      <main className={styles.main}>
        {/* Hidden and not left out: what was packed stays packed while the postcard is written. */}
        <div hidden={route === "/postcard"}>
          <PackingList days={days} travellers={travellers} />
        </div>
        {route === "/postcard" && (
          <Suspense fallback={<p role="status">Looking for a pen…</p>}>
            <Postcard days={days} />
          </Suspense>
        )}
      </main>
      <aside className={styles.aside} aria-label="The trip">
        <Card title="Trip" file="Stepper.tsx" hint="Give the buttons other signs: the numbers stay.">
          <Stepper label="Days away" value={days} max={7} onChange={setDays} />
          <Stepper label="Travellers" value={travellers} max={6} onChange={setTravellers} />
        </Card>
        <Card title="Forecast" file="Forecast.tsx" hint="Throw an error in it: the boundary shows it, until you mend it.">
          <ErrorBoundary>
            <Forecast days={days} />
          </ErrorBoundary>
        </Card>
      </aside>
    </div>
  );
}
