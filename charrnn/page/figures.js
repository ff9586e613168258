// Numbers as they are shown beside equations.

const figure = (value) => value.toFixed(Math.abs(value) < 10 ? 4 : 2).replace("-", "−");

export { figure };
