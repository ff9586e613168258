// Numbers as they are shown beside equations.

const minus = (text) => text.replaceAll("-", "−");

const figure = (value) => minus(value.toFixed(Math.abs(value) < 10 ? 4 : 2));

export { figure, minus };
