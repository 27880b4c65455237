import js from "@eslint/js";

const markup = "write text with textContent: a name of the user's may hold markup";

export default [
  js.configs.recommended,
  { files: ["**/*.js"], languageOptions: { sourceType: "script" } },
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-undef": "off", // tsc knows every name
      "no-unused-vars": ["error", { vars: "local" }], // the page's scripts share their top level
      "consistent-return": "error",
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-len": ["error", { code: 100 }],
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 60],
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML", "write", "writeln"].map((property) => ({
          property,
          message: markup,
        })),
      ],
    },
  },
];
