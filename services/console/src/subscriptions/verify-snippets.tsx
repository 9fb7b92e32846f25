import { Tab, TabList, TabPanel, Tabs } from "react-aria-components/Tabs";
import csharp from "../../../../examples/verify/csharp/Receiver.cs?raw";
import go from "../../../../examples/verify/go/receiver.go?raw";
import java from "../../../../examples/verify/java/Receiver.java?raw";
import node from "../../../../examples/verify/node/receiver.mjs?raw";
import php from "../../../../examples/verify/php/receiver.php?raw";
import python from "../../../../examples/verify/python/receiver.py?raw";
import ruby from "../../../../examples/verify/ruby/receiver.rb?raw";
import { TextBlock } from "../parts/text-block.tsx";
import styles from "./verify-snippets.module.css";

/** The files that a test runs against real deliveries. */
const SNIPPETS = [
  { language: "Node", file: "receiver.mjs", code: node },
  { language: "Python", file: "receiver.py", code: python },
  { language: "Go", file: "receiver.go", code: go },
  { language: "PHP", file: "receiver.php", code: php },
  { language: "Ruby", file: "receiver.rb", code: ruby },
  { language: "Java", file: "Receiver.java", code: java },
  { language: "C#", file: "Receiver.cs", code: csharp },
] as const;

export function VerifySnippets() {
  return (
    <div className={styles.body}>
      <p className={styles.about}>
        A minimal receiver that believes only signed deliveries. It reads the signing secret from{" "}
        <code>WEBHOOK_SECRET</code>.
      </p>
      <Tabs>
        <TabList aria-label="Language" className={styles.tabs}>
          {SNIPPETS.map(({ language }) => (
            <Tab key={language} id={language} className={styles.tab}>
              {language}
            </Tab>
          ))}
        </TabList>
        <div className={styles.panels}>
          {SNIPPETS.map(({ language, file, code }) => (
            <TabPanel key={language} id={language} className={styles.panel}>
              <TextBlock label={file} text={code} keepsLines />
            </TabPanel>
          ))}
        </div>
      </Tabs>
    </div>
  );
}
